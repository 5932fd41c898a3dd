/* The mutex of ipc/mutexstate.go, for spin:

     spin -a mutex.pml && gcc -O2 -DSAFETY -o pan pan.c && ./pan -m1000000

   Processes lock and unlock R times each, and may be killed before any step, up to
   MAXCRASH of them. A waiter may give up at any failed attempt. The word is 0 when
   free, else the owner's id and W if somebody sleeps; W alone is free but reserved
   for the process that heir names. Deaths are known at once and for sure, memory is
   sequentially consistent, there are no timers. Checked: no deadlock, one owner.
   With -DR=1 it is exhaustive for no, one and two kills (14 million states). */
#ifndef R
#define R 2
#endif
#ifndef MAXCRASH
#define MAXCRASH 2
#endif
#define N 3
#define W 8
#define OWNER(x) ((x) & 7)
byte word = 0;
byte heir = 0;
byte epoch = 0;
bool dead[N+1];
bool reaped[N+1];
byte inCS = 0;
bool sleeping[N+1];
byte crashes = 0;
byte finished = 0;

inline wake1() {
  if
  :: sleeping[1] -> sleeping[1] = false
  :: sleeping[2] -> sleeping[2] = false
  :: sleeping[3] -> sleeping[3] = false
  :: !sleeping[1] && !sleeping[2] && !sleeping[3] -> skip
  fi
}
inline wakeall() { sleeping[1]=false; sleeping[2]=false; sleeping[3]=false; }
inline maycrash() {
  if
  :: crashes < MAXCRASH -> atomic { crashes++; dead[me] = true; sleeping[me]=false; if :: incs -> inCS-- :: else fi; goto died }
  :: true
  fi
}
inline resign() {
  if
  :: mine ->
     mine = false;
     atomic { if :: heir == me -> heir = 0 :: else fi };
     maycrash();
     atomic { if :: word == W -> word = 0; ok2 = true :: else ok2 = false fi };
     if
     :: ok2 -> maycrash(); atomic { wakeall() }
     :: else
     fi
  :: else
  fi
}
proctype P(byte me) {
  byte v; byte e; byte h; byte r = 0; bool ok; bool ok2; bool incs = false; bool mine = false; bool cancelled; bool asleep;
  do
  :: r < R ->
     cancelled = false;
     atomic { if :: word == 0 -> word = me; ok = true :: else ok = false fi }
     maycrash();
     do
     :: ok || cancelled -> break
     :: else ->
        e = epoch;
        /* hurry */
        if
        :: !mine -> atomic { if :: heir == 0 || dead[heir] -> heir = me; mine = true :: else fi }; maycrash()
        :: true
        fi;
        v = word;
        asleep = false;
        if
        :: v == 0 ->
           atomic { if :: word == 0 -> word = me|W; ok = true :: else fi }
           maycrash();
        :: v == W ->
           h = heir;
           if
           :: h == 0 || h == me || dead[h] ->
              atomic { if :: word == W -> word = me|W; ok = true :: else fi }
              maycrash();
           :: else -> asleep = true
           fi
        :: OWNER(v) != 0 && dead[OWNER(v)] ->
#ifdef FORGIVE
           atomic { if :: word == v -> word = W :: else fi }
#else
           atomic { if :: word == v -> word = me|W; ok = true :: else fi }
#endif
           maycrash();
        :: OWNER(v) != 0 && !dead[OWNER(v)] ->
           if
           :: (v & W) == 0 ->
              atomic { if :: word == v -> word = v|W; v = v|W; asleep = true :: else fi }
              maycrash();
           :: else -> asleep = true
           fi
        fi;
        if
        :: asleep ->
           if
           :: cancelled = true; /* gives up after an announcing attempt: forwards a wake */
              atomic { wake1() }; maycrash()
           :: true ->
              atomic { if :: word == v && epoch == e -> sleeping[me] = true :: else fi };
              /* who will be killed in its sleep is chosen before: so nobody escapes
                 a lost wake-up by a death that may come, or not */
              if
              :: crashes < MAXCRASH -> crashes++; atomic { dead[me] = true; sleeping[me] = false; goto died }
              :: true -> !sleeping[me]
              fi
           fi
        :: else
        fi
     od;
     if
     :: ok ->
        resign();
        atomic { inCS++; incs = true; assert(inCS == 1) }
        maycrash();
        atomic { inCS--; incs = false }
        do
        :: v = word; assert(OWNER(v) == me);
           if
           :: v & W -> h = heir
           :: else -> h = 0
           fi;
           atomic { if :: word == v -> if :: h != 0 -> word = W :: else -> word = 0 fi; break :: else fi }
        od;
        maycrash();
        if
        :: (v & W) && h != 0 -> atomic { wakeall() }
        :: (v & W) && h == 0 -> atomic { wake1() }
        :: else
        fi
     :: else -> resign()
     fi;
     r++
  :: r >= R -> break
  od;
  finished++;
  goto end;
died:
  finished++;
end: skip
}
proctype Guardian() {
  do
  :: atomic { dead[1] && !reaped[1] -> reaped[1] = true; epoch++; wakeall() }
  :: atomic { dead[2] && !reaped[2] -> reaped[2] = true; epoch++; wakeall() }
  :: atomic { dead[3] && !reaped[3] -> reaped[3] = true; epoch++; wakeall() }
  :: finished == N -> break
  od
}
init { atomic { run P(1); run P(2); run P(3); run Guardian() }
  (finished == N)
}
