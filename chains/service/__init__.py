"""What ``metachain.chains.server`` is put together from."""
