/* The semaphore of ipc/semaphore.go, for spin:

     spin -a semaphore.pml && gcc -O2 -DSAFETY -o pan pan.c && ./pan -m1000000

   Processes acquire and release R times each, and may be killed before any step, up
   to MAXCRASH of them; whoever learns of a death releases what the dead had. A
   waiter may give up at any failed attempt, and may take what is kept for an heir
   that does not come. The word is the number of permits, with W if somebody sleeps.
   Deaths are known at once and for sure, memory is sequentially consistent, and
   nobody depends on timers. Checked: no deadlock, no more than PERMITS inside.
   Exhaustive for R=1 with two kills, for one permit and for two. */
#ifndef R
#define R 1
#endif
#ifndef MAXCRASH
#define MAXCRASH 2
#endif
#ifndef PERMITS
#define PERMITS 1
#endif
#define N 3
#define W 8
#define LEFT(x) ((x) & 7)
byte word = PERMITS;
byte heir = 0;
byte epoch = 0;
bool dead[N+1];
bool reaped[N+1];
bool holds[N+1];
bool onword[N+1]; /* sleeps on word */
bool onheir[N+1]; /* sleeps on heir */
byte inside = 0;
byte crashes = 0;
byte finished = 0;

inline wake1() {
  if
  :: onword[1] -> onword[1] = false
  :: onword[2] -> onword[2] = false
  :: onword[3] -> onword[3] = false
  :: !onword[1] && !onword[2] && !onword[3] -> skip
  fi
}
inline wakeword() { onword[1] = false; onword[2] = false; onword[3] = false }
inline wakeheir() { onheir[1] = false; onheir[2] = false; onheir[3] = false }
inline maycrash() {
  if
  :: crashes < MAXCRASH -> atomic { crashes++; dead[me] = true; if :: holds[me] -> inside-- :: else fi; goto died }
  :: true
  fi
}
/* who will be killed in its sleep is chosen before: so nobody escapes a lost wake-up
   by a death that may come, or not */
inline sleep(woken) {
  if
  :: crashes < MAXCRASH -> crashes++; atomic { dead[me] = true; onword[me] = false; onheir[me] = false; goto died }
  :: true -> woken
  fi
}
inline have() { holds[me] = true; inside++; assert(inside <= PERMITS); ok = true }
inline resign() {
  if
  :: mine ->
     mine = false;
     atomic { if :: heir == me -> heir = 0 :: else fi };
     maycrash();
     atomic { wakeheir() }
  :: else
  fi
}
proctype P(byte me) {
  byte v; byte e; byte h; byte r = 0; bool ok; bool mine = false; bool left; byte asleep;
  do
  :: r < R ->
     left = false; ok = false;
     if
     :: heir == 0 ->
        v = word;
        if
        :: LEFT(v) > 0 -> atomic { if :: word == v -> word = v - 1; have() :: else fi }; maycrash()
        :: else
        fi
     :: else
     fi;
     do
     :: ok || left -> break
     :: else ->
        e = epoch;
        /* hurry */
        if
        :: !mine -> atomic { if :: heir == 0 -> heir = me; mine = true :: else fi }; maycrash()
        :: true
        fi;
        asleep = 0;
        v = word;
        if
        :: LEFT(v) > 0 ->
           h = heir;
           if
           :: h == 0 || h == me || dead[h] ->
              if :: dead[h] -> atomic { if :: heir == h -> heir = 0 :: else fi } :: else fi;
              atomic { if :: word == v -> word = (v - 1) | W; have() :: else fi };
              maycrash();
              if
              :: ok && LEFT(v) > 1 -> atomic { wake1() }
              :: else
              fi
           :: else ->
              if
              :: asleep = 2
              :: atomic { if :: heir == h -> heir = 0 :: else fi } /* it does not come in time */
              fi
           fi
        :: v == 0 -> atomic { if :: word == 0 -> word = W; v = W; asleep = 1 :: else fi }; maycrash()
        :: v == W -> asleep = 1
        fi;
        if
        :: asleep > 0 ->
           if
           :: left = true; /* gives up after an announcing attempt: forwards a wake */
              if :: asleep == 1 -> atomic { wake1() } :: else fi;
              maycrash()
           :: asleep == 1 ->
              atomic { if :: word == v && epoch == e -> onword[me] = true :: else fi };
              sleep(!onword[me])
           :: asleep == 2 ->
              atomic { if :: heir == h && epoch == e -> onheir[me] = true :: else fi };
              sleep(!onheir[me])
           fi
        :: else
        fi
     od;
     resign();
     if
     :: ok ->
        maycrash();
        atomic { holds[me] = false; inside--; v = word; word = LEFT(v) + 1 };
        maycrash();
        if
        :: v & W ->
           h = heir;
           maycrash();
           if
           :: h != 0 -> atomic { wakeword() }
           :: else -> atomic { wake1() }
           fi
        :: else
        fi
     :: else
     fi;
     r++
  :: r >= R -> break
  od;
died:
  finished++
}
inline reap(k) {
  atomic { dead[k] && !reaped[k] ->
    reaped[k] = true;
    if :: holds[k] -> holds[k] = false; word = LEFT(word) + 1 :: else fi;
    epoch++; wakeword(); wakeheir() }
}
proctype Guardian() {
  do
  :: reap(1)
  :: reap(2)
  :: reap(3)
  :: finished == N -> break
  od
}
init { atomic { run P(1); run P(2); run P(3); run Guardian() }
  (finished == N)
}
