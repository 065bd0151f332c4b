"""Show: tables, pictures and pages of sweeps, each of which needs what an extra installs."""
