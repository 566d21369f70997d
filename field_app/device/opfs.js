// SQLite's files straight on the origin private file system: an Emscripten file system whose only files are
// FileSystemSyncAccessHandles opened in advance. Used by browser.py; works only in a dedicated worker.
//
// Order of writes. SQLite's own fsync never reaches us (it is fdatasync, a no-op in Pyodide), and of what was written
// since a flush the loss of power leaves any part. So the order in which bytes become durable is made here, as SQLite
// asks for it with synchronous=FULL (https://sqlite.org/atomiccommit.html, 3.7 to 3.11):
//
// * Whenever the file being written changes (journal, database, journal again), the one written before is flushed.
// * The journal's header, which says how many records are to be played back, is written again before them: only once
//   they are there. Their checksums look at every 200th byte, and do not tell much of a page from zeros.
// * After the journal was cut, which is the commit, only once that is there: else it comes back with some of the next
//   one's records in it.
//
// What is left after a commit is flushed by `flush()`, which the store calls.
//
// Number of writes. A record of the journal comes in three pieces, and a call takes longer than its bytes do: what
// follows on what the journal was given last is held back, and written in one before anything else is done with any
// file. An app killed meanwhile leaves what it would have left a moment earlier.
(() => {
  const NO_ENTRY = 44, NOT_PERMITTED = 63, INPUT_OUTPUT = 29, NO_SPACE = 51, INVALID = 28;  // WASI errno
  const BLOCK = 4096;
  const LONGEST_HELD = 64 * BLOCK;  // four of the largest pages SQLite has

  async function openHandles(folder, names, patienceMs) {
    const root = await navigator.storage.getDirectory();
    const directory = await root.getDirectoryHandle(folder, { create: true });
    const giveUpAt = Date.now() + patienceMs;
    const handles = {};
    try {
      for (const name of names) {
        const file = await directory.getFileHandle(name, { create: true });
        for (;;) {
          try {
            handles[name] = await file.createSyncAccessHandle();
            break;
          } catch (fault) {
            // Held by another tab, or by the worker of this page's own last life, which dies a moment after a reload.
            if (fault.name !== 'NoModificationAllowedError' || Date.now() > giveUpAt) throw fault;
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
        }
        // What a life before this one has written and, being killed, not flushed is read as if it were there for good.
        handles[name].flush();
      }
    } catch (fault) {
      for (const handle of Object.values(handles)) handle.close();
      throw fault;
    }
    return handles;
  }

  function mount(FS, mountPoint, handles) {
    const fail = (errno) => { throw new FS.ErrnoError(errno); };
    const attempt = (work) => {
      try {
        return work();
      } catch (fault) {
        return fail(fault.name === 'QuotaExceededError' ? NO_SPACE : INPUT_OUTPUT);
      }
    };
    // Nobody else writes, so sizes are kept here: SQLite asks for them some twenty times in a transaction.
    const sizes = Object.fromEntries(Object.keys(handles).map((name) => [name, handles[name].getSize()]));
    // A file of no bytes is one that is not there: handles cannot be created later, so they all exist from the start.
    const present = new Set(Object.keys(handles).filter((name) => sizes[name] > 0));
    let unflushed = null;
    let end = 0;  // of the last write: what comes before it in a journal must not become durable before it
    const held = { bytes: new Uint8Array(LONGEST_HELD), length: 0, name: '', position: 0 };
    const writeThrough = (name, bytes, position) => {
      try {
        const written = handles[name].write(bytes, { at: position });
        // Where only some of it was written, less is there than was promised when it was held.
        sizes[name] = written < bytes.length ? handles[name].getSize() : Math.max(sizes[name], position + written);
        return written;
      } catch (fault) {
        sizes[name] = handles[name].getSize();  // some of it may have been written before the disk was full
        throw fault;
      }
    };
    const writeHeld = () => {
      if (held.length === 0) return;
      const bytes = held.bytes.subarray(0, held.length);
      held.length = 0;
      if (writeThrough(held.name, bytes, held.position) < bytes.length) throw new Error('written in part');
    };
    const hold = (name, bytes, position) => {
      if (position !== held.position + held.length || held.length + bytes.length > LONGEST_HELD) writeHeld();
      if (held.length === 0) Object.assign(held, { name, position });
      held.bytes.set(bytes, held.length);
      held.length += bytes.length;
      sizes[name] = Math.max(sizes[name], position + bytes.length);
      return bytes.length;
    };
    const flush = () => {
      if (unflushed === null) return;
      writeHeld();
      handles[unflushed].flush();
      unflushed = null;
    };
    const isJournal = (name) => name.endsWith('-journal');
    const changing = (name, position) => {
      if (unflushed !== name || (isJournal(name) && position < end)) flush();
      unflushed = name;
    };
    const resize = (name, size) => {
      changing(name, size);
      writeHeld();
      handles[name].truncate(size);
      sizes[name] = size;
      end = Infinity;
    };
    const attributes = (node, size, links) => {
      const time = new Date(node.changedAt);
      return {
        dev: 1, ino: node.id, mode: node.mode, nlink: links, uid: 0, gid: 0, rdev: 0, size,
        atime: time, mtime: time, ctime: time, blksize: BLOCK, blocks: Math.ceil(size / BLOCK),
      };
    };

    const fileNode = {
      getattr: (node) => attributes(node, sizes[node.name], 1),
      setattr(node, changes) {
        if (changes.mode !== undefined) node.mode = changes.mode;
        if (changes.size !== undefined) {
          attempt(() => resize(node.name, changes.size));
        }
      },
    };
    const fileStream = {
      open() {},
      close() {},
      read: (stream, buffer, offset, length, position) =>
        attempt(() => {
          writeHeld();
          return handles[stream.node.name].read(buffer.subarray(offset, offset + length), { at: position });
        }),
      write(stream, buffer, offset, length, position) {
        stream.node.changedAt = Date.now();
        const name = stream.node.name;
        return attempt(() => {
          changing(name, position);
          end = position + length;
          const bytes = buffer.subarray(offset, offset + length);
          return isJournal(name) ? hold(name, bytes, position) : writeThrough(name, bytes, position);
        });
      },
      llseek(stream, offset, whence) {
        const from = [0, stream.position, sizes[stream.node.name]][whence];
        return from + offset < 0 ? fail(INVALID) : from + offset;
      },
      fsync() { attempt(flush); return 0; },
    };
    const makeFile = (parent, name) => {
      const node = FS.createNode(parent, name, 0o100644, 0);
      return Object.assign(node, { node_ops: fileNode, stream_ops: fileStream, changedAt: Date.now() });
    };
    const folderNode = {
      getattr: (node) => attributes(node, BLOCK, 1),
      setattr() {},
      lookup: (parent, name) => (present.has(name) ? makeFile(parent, name) : fail(NO_ENTRY)),
      mknod(parent, name) {
        if (!(name in handles)) fail(NOT_PERMITTED);
        present.add(name);
        return makeFile(parent, name);
      },
      unlink(parent, name) {
        attempt(() => { resize(name, 0); flush(); });
        present.delete(name);
      },
      rename: () => fail(NOT_PERMITTED),
      rmdir: () => fail(NOT_PERMITTED),
      symlink: () => fail(NOT_PERMITTED),
      readdir: () => ['.', '..', ...present],
    };
    FS.mkdirTree(mountPoint);
    FS.mount({
      mount: () => Object.assign(FS.createNode(null, '/', 0o40755, 0), {
        node_ops: folderNode, stream_ops: {}, changedAt: Date.now(),
      }),
    }, {}, mountPoint);
    return {
      flush,
      close() {
        try {
          flush();
        } finally {
          FS.unmount(mountPoint);
          for (const handle of Object.values(handles)) handle.close();
        }
      },
    };
  }

  return async (FS, mountPoint, folder, names, patienceMs) =>
    mount(FS, mountPoint, await openHandles(folder, names, patienceMs));
})()
