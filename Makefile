.PHONY: board check format test

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

board:  ## The board of what is submitted, beside published figures, in build/board
	clipbench site --check reports/submissions/*
	clipbench site reports/submissions/* --published open-clip,imagenet-testbed --title "clipbench board" -o build/board
