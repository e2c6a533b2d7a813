"""Parts of the server in ``metachain.chains.server``."""
