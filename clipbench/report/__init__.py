"""Tables, figures and the HTML page made of results."""
