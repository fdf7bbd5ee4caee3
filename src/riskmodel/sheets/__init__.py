"""Sheets: one A4 page per listed student, for those who talk with the student.

`compose` gathers facts (codes, values, dates), `page` puts them into the words of a language, `render`
prints the same page as HTML and as PDF, `writing` makes a school's folder. No probability stands on one.
"""
