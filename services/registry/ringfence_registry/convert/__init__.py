"""Between messages and the model: `requests` judges what comes in, `responses` writes what goes out."""
