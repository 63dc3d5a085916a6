"""What a submission to a published board must be: a folder of results that anybody may have sent."""
