# about: a Java program logs an exception with its causes, and carries on
# category: none
# shows: Caused by:
# needs: javac
# tool: javac -version
### job
cat > Sync.java <<'J'
import java.util.logging.*;
public class Sync {
  public static void main(String[] a) throws Exception {
    Logger log = Logger.getLogger("Sync");
    for (int i = 0; i < 3; i++) {
      try {
        if (i == 1) try { throw new java.net.ConnectException("Connection refused"); } catch (Exception e) { throw new RuntimeException("replica 1 unreachable", e); }
        log.info("replica " + i + " in sync");
      } catch (RuntimeException e) { log.log(Level.SEVERE, "will try again in the next round", e); }
    }
    log.info("replica 1 in sync");
    log.info("sync finished");
  }
}
J
javac Sync.java && java Sync
