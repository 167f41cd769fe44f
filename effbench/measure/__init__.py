"""Measurements of one model: parameters, MACs, throughput, latency, memory."""
