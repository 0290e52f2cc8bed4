"""How well nodes are used, and how long jobs wait: the picker, on a made-up lab with a published workload."""
