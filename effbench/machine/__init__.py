"""The machine and its software: devices, environment, memory, what makes timings doubtful."""
