# How a rod cools whose ends are kept at 0: u_t = u_xx on 0 < x < 1, u = 4 x (1 - x) at first; explicit Euler.
# Input: lines of `points N` and `time T`. Output: x,u a line.
$1 == "points" { points = $2 }
$1 == "time" { time = $2 }
END {
    dx = 1 / (points - 1)
    steps = int(time / (0.4 * dx * dx)) + 1
    dt = time / steps
    for (i = 0; i < points; i++) u[i] = 4 * i * dx * (1 - i * dx)
    for (step = 0; step < steps; step++) {
        for (i = 1; i < points - 1; i++) next_u[i] = u[i] + dt / (dx * dx) * (u[i - 1] - 2 * u[i] + u[i + 1])
        for (i = 1; i < points - 1; i++) u[i] = next_u[i]
    }
    for (i = 0; i < points; i++) printf "%.6f,%.6f\n", i * dx, u[i]
}
