"""Publish the phone's app as files: `python -m tools.publish .build/app`.

What comes out is what the server hands out under /app/ (sync_server.app_files): the Flutter client out of the
flet-web wheel, Python for the browser (Pyodide, out of the same wheel), our code with the packages it needs, a Chinese
font, a service worker that keeps all of it on the device, everything compressed in advance. Needed are Python and a
Python package registry; no Flutter SDK, no Node, nothing from a CDN.

    runtime     the Flutter client and Pyodide, and what has to be put right in them
    packages    the wheels for the browser, by hash out of requirements.lock
    archive     app.zip: main.py, field_app, shared_schema, the packages; never anything of the server
    fonts       Noto Sans SC, cut in two: what nearly every text needs, and the rest of GBK; OpenMoji for emoji
    icons       the mark in the sizes a home screen wants
    page/       index.html, the shell around the app, the service worker
    output      names, hashes, compression, and the exchange of the finished folder

`flet publish` (flet-cli) is not used: it wants a build manifest from the network, downloads Pyodide anew, addresses it
so that no worker can load it, leaves a request to a CDN in, and packs the server with the app. What it does beside
that is here in a few lines. Kept between runs: `.build/cache`; it may be deleted at any time.
"""
