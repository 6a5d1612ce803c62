"""What terminals fetch and say over HTTP and HTTPS, answered in the event loop before Django (rule from-memory)."""
