.PHONY: check format test

check:  ## What CI runs, in the environment at hand
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	python -m pytest -n 2 --dist worksteal -m ''

format:
	ruff check --fix .
	ruff format .

test:
	python -m pytest -n 2 --dist worksteal
