// Module Convergence.
