"""What a kernel asks of memory, line by line, and what bounds its time: counted on a CPU, measured nowhere."""
