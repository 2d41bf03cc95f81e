"""Two witnesses of what nobody can see afterwards: who changed what, under which epoch.

In Postgres, triggers of ours write down, in the very transaction that does it, a batch that is
committed under another epoch than the partition's, and a cursor that moves without its batch. What
they write is replicated with the rest: on a standby that was promoted it is where it was.

In Redis, MONITOR tells every command in the order in which it ran, a script's own calls included.
Several servers have a witness each, which judges what its server does as a master. What it knows of
an epoch is over when the server follows another one, or its keys come from elsewhere or go there;
then it asks the server, and its own question in the stream says from where on the answer holds.
"""

import re
import socket
import threading
import time

TRIGGERS = """
CREATE TABLE witness (at timestamptz NOT NULL DEFAULT clock_timestamp(), what text NOT NULL);

CREATE FUNCTION witness_batch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE p public.partitions;
BEGIN
  SELECT * INTO p FROM public.partitions WHERE partition = NEW.partition;
  IF NEW.epoch <> p.epoch THEN
    INSERT INTO public.witness (what) VALUES (format(
      'partition %s: version %s was committed under epoch %s while its owner has %s',
      NEW.partition, NEW.version, NEW.epoch, p.epoch));
  END IF;
  IF NEW.version <> p.version OR NEW.cursor <> p.cursor THEN
    INSERT INTO public.witness (what) VALUES (format(
      'partition %s: batch %s up to %s was committed while the partition says %s up to %s',
      NEW.partition, NEW.version, NEW.cursor, p.version, p.cursor));
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER witness AFTER INSERT ON batches FOR EACH ROW EXECUTE FUNCTION witness_batch();

CREATE FUNCTION witness_partition() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF NEW.cursor <> OLD.cursor AND NEW.version = OLD.version THEN
    INSERT INTO public.witness (what) VALUES (format(
      'partition %s: the cursor went from %s to %s without a batch', NEW.partition, OLD.cursor,
      NEW.cursor));
  END IF;
  -- A show that comes from another partition brings its version along, and a new epoch.
  IF NEW.epoch < OLD.epoch OR NEW.version < OLD.version
     OR (NEW.version > OLD.version + 1 AND (NEW.epoch, NEW.cursor) <> (OLD.epoch + 1, OLD.cursor))
     OR NEW.now_ms < OLD.now_ms THEN
    INSERT INTO public.witness (what) VALUES (format('partition %s: went from %s to %s',
      NEW.partition, OLD, NEW));
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER witness AFTER UPDATE ON partitions FOR EACH ROW EXECUTE FUNCTION witness_partition();
"""

COMMAND = re.compile(rb'^\+?[0-9.]+ \[\d+ (\S+)\] (.*)$')
WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')
STATE = re.compile(rb'^usher:\{(\d+)\}:state$')
HEAD_BYTES = 40000  # of a command: the decision script's keys, and the epoch behind them


class RedisWitness:
    """Follows MONITOR and notes who changed a partition's state under an epoch that was over."""

    def __init__(self, port, of_cluster=()):
        self.port = port
        self.of_cluster = {str(other).encode() for other in of_cluster}  # ports of all nodes
        self.found = []
        self.commands = 0
        self.decided = 0
        self.unjudged = 0   # writes of a script while nothing was known of the epoch
        self._asked = {}    # our own question's address → (partition, its connection)
        self._epochs = {}   # partition → the last epoch that was taken
        self._caller = None  # (partition, epoch) of the script that runs
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()
        return self

    def close(self):
        self._closed = True
        self._thread.join(5)

    def _run(self):
        while not self._closed:
            # Whatever ran while nobody looked, is unknown: begin anew.
            self._forget()
            try:
                self._follow()
            except OSError:
                time.sleep(0.02)

    def _follow(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=0.5) as connection:
            connection.sendall(b"MONITOR\r\n")
            rest = b""
            while not self._closed:
                try:
                    data = connection.recv(1 << 18)
                except socket.timeout:
                    continue
                if not data:
                    raise OSError("closed")
                *lines, rest = (rest + data).split(b"\r\n")
                for line in lines:
                    self.see(line[:HEAD_BYTES])

    def _forget(self):
        self._epochs.clear()
        self._caller = None
        for _partition, connection in self._asked.values():
            connection.close()
        self._asked.clear()

    def _ask(self, partition):
        """Once for each time that something is unknown; the answer is read when the stream has it."""
        if not self.of_cluster or partition in [about for about, _ in self._asked.values()]:
            return
        try:
            connection = socket.create_connection(("127.0.0.1", self.port), timeout=0.5)
            self._asked[str(connection.getsockname()[1]).encode()] = (partition, connection)
            connection.sendall(b"HGET usher:{%d}:state epoch\r\n" % partition)
        except OSError:
            pass

    def _take_answer(self, address):
        """The answer lies in the socket or will in a moment: the command has run."""
        partition, connection = self._asked.pop(address)
        try:
            answer = connection.recv(100).split(b"\r\n")
        except OSError:
            answer = []
        finally:
            connection.close()
        if len(answer) == 3 and answer[1].isdigit():
            self._epochs[partition] = int(answer[1])

    def see(self, line):
        """One line of MONITOR."""
        match = COMMAND.match(line)
        if match is None:
            return
        self.commands += 1
        client, rest = match.groups()
        words = WORD.findall(rest)
        if not words:
            return
        port = client.rpartition(b":")[2]
        if port in self._asked:
            self._take_answer(port)
        elif port in self.of_cluster:  # it follows another node: what it has is that one's
            self._forget()
        elif client != b"lua":
            self._see_client(words)
        elif words[0].upper() == b"HSET" and len(words) > 3:
            self._see_write(words)

    def _see_client(self, words):
        self._caller = None
        name = words[0].upper()
        if name == b"HSET" and len(words) == 4:  # somebody took it by hand (faults.py)
            self._see_write(words)
        if name in (b"FLUSHALL", b"FLUSHDB", b"MIGRATE", b"RESTORE-ASKING") or \
                (name == b"DEL" and len(words) == 2):
            self._epochs.clear()
        if name not in (b"EVALSHA", b"EVAL") or len(words) < 4:
            return
        state = STATE.match(words[3])
        keys = int(words[2])
        if state and len(words) > 3 + keys:
            self._caller = (int(state.group(1)), int(words[3 + keys]))

    def _see_write(self, words):
        state = STATE.match(words[1])
        if not state:
            return
        partition = int(state.group(1))
        if words[2] == b"epoch":
            epoch = int(words[3])
            if epoch < self._epochs.get(partition, 0):
                self.found.append(f"partition {partition}: Redis was taken with epoch {epoch} "
                                  f"after {self._epochs[partition]}")
            self._epochs[partition] = epoch
            return
        self.decided += words[2] == b"clean"  # the first write of a run of the decision script
        epoch = self._caller[1] if self._caller else None
        taken = self._epochs.get(partition)
        if taken is None and epoch is not None:
            self.unjudged += 1
            self._ask(partition)
        if taken is not None and epoch is not None and epoch != taken:
            self.found.append(f"partition {partition}: its state in Redis was changed under epoch "
                              f"{epoch} while {taken} has it")
