"""The server's side of the OpenAI Realtime GA wire."""
