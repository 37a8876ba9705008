"""What an engram is good for afterwards: memory of a life of tasks, a start for related ones, a bench for architectures."""
