"""A sample company to look around in: `doorstep demo` fills an empty data folder with it, once.

company    who works there and what things cost
cases      the tickets as stories in a table
story      the stories told step by step: who does what, and when
portraits  the technicians' faces, drawn
pictures   the visits' photos, drawn
fill       does what the stories say, through the real door
demo       fills the data folder where it is empty, and says how to look around
"""
