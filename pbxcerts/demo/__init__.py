"""The demonstration: a product of its own among simulated telephones, on loopback, that ends without a trace (rule demonstration)."""
