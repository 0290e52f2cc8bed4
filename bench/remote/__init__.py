"""What the system costs on NFS, and how soon it reacts there."""
