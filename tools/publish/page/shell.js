// The page around the app: says what is missing where the app cannot run, starts Flutter and Python beside each other,
// covers the screen until the first view is drawn, and then sees to it that the next start needs no network.
'use strict';

const WORDS = /*WORDS*/{};
const PLACES = /*PLACES*/{};
const HOUR_MS = 3600000;
const words = WORDS[/^zh\b/i.test(navigator.language || 'zh') ? 'zh_CN' : 'en'];

// What flet's own scripts read (see flet_web/web/index.html).
var flet = {
  pyodide: true,
  multiView: false,
  noCdn: true,
  webSocketEndpoint: '/ws',
  entrypointBaseUrl: PLACES.base,
  assetBase: PLACES.base,
  routeUrlStrategy: 'path',
  canvasKitBaseUrl: PLACES.canvaskit,
  pyodideUrl: PLACES.pyodide,
  webRenderer: 'canvaskit',
  fontFallbackBaseUrl: PLACES.base + 'assets/fonts/',
  appPackageUrl: PLACES.app,
  pythonModuleName: 'main',
  micropipIncludePre: false,
};
flet.flutterAppLoaded = new Promise((resolve) => { flet.flutterAppResolve = resolve; });

const shell = {
  say(key) {
    const element = document.getElementById('shell');
    document.documentElement.lang = WORDS.zh_CN === words ? 'zh-CN' : 'en';
    element.querySelector('h1').textContent = words[`shell.${key}.title`];
    element.querySelector('p').textContent = words[`shell.${key}.body`] || '';
    element.dataset.state = key;
  },
  pythonAnswered() {  // called by python.js with the app's first message: its first view is on the way to the screen
    requestAnimationFrame(() => requestAnimationFrame(() => document.getElementById('shell')?.remove()));
  },
  pythonFailed() { this.say('failed'); },
};

function missing() {
  if (!window.isSecureContext) return 'insecure';
  const complete = window.WebAssembly && navigator.serviceWorker && navigator.storage && navigator.storage.getDirectory;
  return complete ? null : 'unsupported';
}

function load(source) {
  const script = document.createElement('script');
  script.src = source;
  document.head.append(script);
}

// A newer version that is already here takes over at the start of the app and never in the middle of someone's work.
async function takeOver() {
  const registration = navigator.serviceWorker.controller && await navigator.serviceWorker.getRegistration();
  if (!registration || !registration.waiting) return false;
  const changed = new Promise((resolve) => {
    // However late it comes: from then on the files of the version that is loading here are gone, and half an app
    // would wait for the other half for ever.
    navigator.serviceWorker.addEventListener('controllerchange', () => { resolve(true); location.reload(); }, { once: true });
    setTimeout(() => resolve(false), 2000);  // it stays waiting where another page is open
  });
  registration.waiting.postMessage('take over if alone');
  return changed;
}

async function keepForOffline() {
  // CanvasKit comes in two builds, and a service worker cannot see which one Flutter takes.
  const chromium = window.Intl && Intl.v8BreakIterator && Intl.Segmenter && typeof ImageDecoder !== 'undefined';
  await navigator.serviceWorker.register(`service_worker.js?canvaskit=${chromium ? 'chromium' : 'full'}`, {
    updateViaCache: 'none',
  });
  if (navigator.storage.persist && !await navigator.storage.persisted()) await navigator.storage.persist();
}

function tellPython() {
  // Python runs in a worker, which cannot see whether the page is visible.
  const channel = new BroadcastChannel('doorstep-hints');
  let lookedForUpdateAt = Date.now();
  const tell = async () => {
    if (document.visibilityState !== 'visible') return;
    channel.postMessage('maybe online');
    if (Date.now() - lookedForUpdateAt < HOUR_MS) return;  // by itself the browser looks only when a page is opened
    lookedForUpdateAt = Date.now();
    const registration = await navigator.serviceWorker.getRegistration();
    if (registration) await registration.update().catch(() => {});
  };
  document.addEventListener('visibilitychange', tell);
  window.addEventListener('pageshow', tell);
  window.addEventListener('online', tell);
}

document.addEventListener('DOMContentLoaded', async () => {
  const fault = missing();
  shell.say(fault || (navigator.serviceWorker.controller ? 'opening' : 'first'));
  if (fault || await takeOver()) return;
  tellPython();
  // The link of another enrolment, opened in this very tab, changes nothing but the fragment.
  window.addEventListener('hashchange', () => { if (location.hash.startsWith('#enrol=')) location.reload(); });
  window.addEventListener('flutter-first-frame', () => { keepForOffline(); }, { once: true });
  load(PLACES.python);
  load(PLACES.bootstrap);
});

// WebKit brings a page back from its back/forward cache with Flutter's frames standing still; only a new start helps.
window.addEventListener('pageshow', (event) => {
  if (event.persisted && navigator.vendor && navigator.vendor.startsWith('Apple')) location.reload();
});
