// Keeps the whole app on the device, so that it opens with no network at all.
//
// One cache holds every file under its path and the SHA-256 of its bytes. A new version therefore fetches only what
// changed, an interrupted installation goes on where it stopped, and files of two versions never mix: the browser
// checks each fetched file against its hash. The new version waits until the page lets it take over (page/shell.js).
'use strict';

const FILES = /*FILES*/[];  // [path, address to fetch, SHA-256 in base64]
const STAND_INS = /*STAND_INS*/[];
const CACHE = 'doorstep';
const BOTH_BUILDS = 'canvaskit-';
const AT_ONCE = 4;

const scope = new URL(self.registration.scope);
const chromium = new URL(self.location).searchParams.get('canvaskit') === 'chromium';
const wanted = FILES.filter(([path]) =>
  !path.startsWith(BOTH_BUILDS) || path.split('/')[1].startsWith('chromium') === chromium);
const key = ([path, , sha256]) => new URL(`${path}?sha256=${encodeURIComponent(sha256)}`, scope).href;
const keys = new Map(wanted.map((file) => [file[0], key(file)]));

async function fetchMissing() {
  const cache = await caches.open(CACHE);
  const waiting = [...wanted];
  const work = async () => {
    for (let file = waiting.shift(); file; file = waiting.shift()) {
      if (await cache.match(key(file))) continue;
      // From the HTTP cache where the page has just loaded the same file: nothing crosses the network twice.
      const answer = await fetch(new URL(file[1], scope), { integrity: `sha256-${file[2]}` });
      if (!answer.ok) throw new Error(`${file[0]}: ${answer.status}`);
      await cache.put(key(file), answer);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

async function forgetOthers() {
  const cache = await caches.open(CACHE);
  const current = new Set(keys.values());
  for (const request of await cache.keys()) if (!current.has(request.url)) await cache.delete(request);
}

self.addEventListener('install', (event) => event.waitUntil(fetchMissing()));
self.addEventListener('activate', (event) => event.waitUntil((async () => {
  await forgetOthers();
  await self.clients.claim();
})()));
self.addEventListener('message', (event) => {
  if (event.data !== 'take over if alone') return;
  event.waitUntil((async () => {
    const pages = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
    if (pages.length <= 1) await self.skipWaiting();
  })());
});

self.addEventListener('fetch', (event) => {
  const address = new URL(event.request.url);
  const isOurs = event.request.method === 'GET' && address.origin === scope.origin &&
    address.pathname.startsWith(scope.pathname);
  if (!isOurs) return;
  const path = event.request.mode === 'navigate' ? 'index.html' : address.pathname.slice(scope.pathname.length);
  const [, standIn] = STAND_INS.find(([beginning]) => path.startsWith(beginning)) || [];  // else asked for without end
  const found = keys.get(path) || keys.get(standIn);
  if (found) {
    event.respondWith(caches.open(CACHE).then((cache) => cache.match(found)).then((hit) => hit || fetch(event.request)));
  }
});
