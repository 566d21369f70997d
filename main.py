import flet as ft

from field_app.main import main

ft.run(main)
