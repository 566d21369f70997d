// The device's key and the seal of rescue files, by the browser's WebCrypto. Used by browser.py, in its worker.
//
// The private key is not extractable: it lies in IndexedDB as the browser keeps it, and no script ever sees its bytes.
(() => {
  const DATABASE = 'doorstep-key', TABLE = 'keys', OWN = 'own';
  const P256 = { name: 'ECDH', namedCurve: 'P-256' };

  const done = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

  async function database() {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(TABLE);
    return done(opening);
  }

  async function kept() {
    const held = await database();
    try {
      return await done(held.transaction(TABLE).objectStore(TABLE).get(OWN));
    } finally {
      held.close();
    }
  }

  // Resolves when the key is on the disk. The first one wins: `add` fails where there is one already.
  async function keep(pair) {
    const held = await database();
    try {
      await new Promise((resolve, reject) => {
        const writing = held.transaction(TABLE, 'readwrite', { durability: 'strict' });
        writing.oncomplete = resolve;
        writing.onabort = () => reject(writing.error);
        writing.objectStore(TABLE).add(pair, OWN);
      });
    } finally {
      held.close();
    }
  }

  let own = null;
  async function pair() {
    if (own) return own;
    own = await kept();
    if (!own) {
      let made;
      try {
        made = await crypto.subtle.generateKey({ name: 'Ed25519' }, false, ['sign', 'verify']);
      } catch (fault) {
        if (fault.name === 'NotSupportedError' || fault.name === 'SyntaxError') return null;  // no Ed25519 here
        throw fault;
      }
      await keep(made).catch(async (fault) => { if (fault?.name !== 'ConstraintError') throw fault; });
      own = await kept();
    }
    return own;
  }

  return {
    async publicKey() {
      const keys = await pair();
      return keys ? new Uint8Array(await crypto.subtle.exportKey('raw', keys.publicKey)) : undefined;
    },
    async sign(text) {
      const keys = await pair();
      return new Uint8Array(await crypto.subtle.sign('Ed25519', keys.privateKey, text));
    },
    // ECDH with a key of its own, HKDF-SHA256, AES-256-GCM: shared_schema.rescue.
    async agree(officeKey, salt, info) {
      const office = await crypto.subtle.importKey('raw', officeKey, P256, false, []);
      const ours = await crypto.subtle.generateKey(P256, false, ['deriveBits']);
      const shared = await crypto.subtle.deriveBits({ name: 'ECDH', public: office }, ours.privateKey, 256);
      const secret = await crypto.subtle.importKey('raw', shared, 'HKDF', false, ['deriveKey']);
      const key = await crypto.subtle.deriveKey(
        { name: 'HKDF', hash: 'SHA-256', salt, info }, secret, { name: 'AES-GCM', length: 256 }, false, ['encrypt']);
      return {
        ephemeralKey: new Uint8Array(await crypto.subtle.exportKey('raw', ours.publicKey)),
        async seal(data, iv, additionalData) {
          return new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData }, key, data));
        },
      };
    },
  };
})()
