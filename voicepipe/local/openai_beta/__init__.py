"""The server's side of the OpenAI Realtime beta wire: the GA session behind a table of names and shapes.

`shapes` says what a client may send, `translation` has the tables, `session` puts both around a GA session.
"""
