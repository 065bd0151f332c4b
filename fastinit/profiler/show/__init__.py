"""What shows profiles: tables, pictures, pages and the story of five initialisations."""
