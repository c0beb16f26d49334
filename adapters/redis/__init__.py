"""Adapters over Redis or Valkey: cache, rate limits, request budget and job queue."""
