"""The periodic reports of schools, counties, prefectures and provinces."""
