"""Parameters to simulated images: what is drawn, what follows from it, and who does the chunks of work."""
