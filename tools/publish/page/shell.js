// The page around the app: says what is missing where the app cannot run, starts Flutter and Python beside each other,
// covers the screen until the first view is drawn, and then sees to it that the next start needs no network.
'use strict';

const WORDS = /*WORDS*/{};
const PLACES = /*PLACES*/{};
const HOUR_MS = 3600000;
const PATIENCE_MS = 20000;  // then whatever Flutter has drawn is better than this page
const LANGUAGE = 'doorstep-language';
const spoken = () => {
  try { return localStorage.getItem(LANGUAGE); } catch { return null; }  // some browsers are told to keep nothing
};
// What the app was in last, else the browser's own.
let words = WORDS[spoken()] || WORDS[/^zh\b/i.test(navigator.language || 'zh') ? 'zh_CN' : 'en'];

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

const channelToPython = new MessageChannel();
const shell = {
  portForPython: channelToPython.port2,  // python.js gives it to the worker that Python runs in
  say(key) {
    const element = document.getElementById('shell');
    document.documentElement.lang = WORDS.zh_CN === words ? 'zh-CN' : 'en';
    element.querySelector('h1').textContent = words[`shell.${key}.title`];
    element.querySelector('p').textContent = words[`shell.${key}.body`] || '';
    element.dataset.state = key;
  },
  pythonAnswered() {  // called by python.js with every message of the app
    this.patience ||= setTimeout(() => this.go(), PATIENCE_MS);
  },
  pythonShown() {  // called by python.js behind the message with the first page, which Flutter draws in the next frame
    requestAnimationFrame(() => this.go());
  },
  go() { document.getElementById('shell')?.remove(); },
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
    // From then on the files of the version that is loading here are gone, and half an app would wait for the other
    // half for ever. Once it has been drawn it has all it needs, and somebody may be typing: the next start is early
    // enough.
    navigator.serviceWorker.addEventListener('controllerchange', () => {
      resolve(true);
      if (!document.getElementById('shell')) return;
      shell.go = () => {};  // what may yet be drawn here is gone in a moment, with anything somebody types into it
      location.reload();
    }, { once: true });
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
}

// It is fetched whole and then waits for the next start.
async function lookForUpdate() {
  const registration = await navigator.serviceWorker.getRegistration();
  if (registration) await registration.update();
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
    await lookForUpdate().catch(() => {});
  };
  document.addEventListener('visibilitychange', tell);
  window.addEventListener('pageshow', tell);
  window.addEventListener('online', tell);
}

// What a worker cannot do: field_app/device/browser_page.py asks, one answer each.
const services = {
  persist: async () => Boolean(navigator.storage.persist && await navigator.storage.persist()),
  standalone: async () => navigator.standalone === true || matchMedia('(display-mode: standalone)').matches,
  update: lookForUpdate,
  speak: async ({ language }) => {
    words = WORDS[language] || words;
    localStorage.setItem(LANGUAGE, language);
  },
  share: ({ name, blob }) => handOn(name, blob),
};
channelToPython.port1.onmessage = async ({ data }) => {
  try {
    channelToPython.port1.postMessage({ number: data.number, answer: await services[data.what](data) });
  } catch (fault) {
    channelToPython.port1.postMessage({ number: data.number, fault: String(fault) });
  }
};

// Sharing and downloading both need a tap on the page: the one on Flutter's button is too long ago by now.
function handOn(name, blob) {
  // Chromium shares only files whose names end in one of a few known ways; what is in them it does not mind.
  const file = [[name, 'application/octet-stream'], [`${name}.txt`, 'text/plain']]
    .map(([as, type]) => new File([blob], as, { type }))
    .find((candidate) => navigator.canShare && navigator.canShare({ files: [candidate] }));
  const dialog = document.createElement('dialog');
  dialog.id = 'hand-on';
  const heading = document.createElement('h1');
  heading.textContent = words['shell.hand-on.title'];
  const text = document.createElement('p');
  text.textContent = words['shell.hand-on.body'];
  const control = (kind, key) => Object.assign(document.createElement(kind), { id: key, textContent: words[`shell.${key}`] });
  const address = URL.createObjectURL(blob);
  const share = control('button', 'hand-on-share');
  const save = Object.assign(control('a', 'hand-on-save'), { href: address, download: name });
  const seen = control('button', 'hand-on-seen');
  const cancel = control('button', 'hand-on-cancel');
  dialog.append(heading, text, ...(file ? [share] : []), save, cancel);
  document.body.append(dialog);
  return new Promise((resolve) => {
    const end = (how) => {
      dialog.remove();
      setTimeout(() => URL.revokeObjectURL(address), 60000);  // the download may still be reading it
      resolve(how);
    };
    share.onclick = () => navigator.share({ files: [file], title: name }).then(() => end('shared'), (fault) => {
      if (fault.name !== 'AbortError') share.remove();  // not here, then: saving is left
    });
    // Whether the browser has really written it no page is told; and the phone may be cleared once it is saved.
    save.onclick = () => setTimeout(() => {
      text.textContent = words['shell.hand-on.look'].replace('{name}', name);
      save.textContent = words['shell.hand-on-save-again'];
      save.before(seen);
      // It stands where the tap was: the second of two quick ones is not yet somebody's word.
      seen.disabled = true;
      setTimeout(() => { seen.disabled = false; }, 1000);
    });
    seen.onclick = () => end('saved');
    cancel.onclick = () => end('cancelled');
    dialog.oncancel = () => end('cancelled');
    dialog.showModal();
  });
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
