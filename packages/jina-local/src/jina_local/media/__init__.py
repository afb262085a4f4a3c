"""Read the text in images and PDFs. Needs the extra ``images`` of jina-local."""
