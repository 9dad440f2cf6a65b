# about: a NullPointerException as the cause of the one at the end
# category: code_error
# retryable: after_change no
# evidence: Caused by: java.lang.NullPointerException
# needs: javac
# tool: javac -version
### job
cat > Etl.java <<'J'
public class Etl {
  static int length(String s) { return s.length(); }
  static void row(int i) { try { length(i == 3 ? null : "abc"); } catch (RuntimeException e) { throw new IllegalStateException("row " + i + " failed", e); } }
  public static void main(String[] a) { for (int i = 0; i < 5; i++) { System.out.println("row " + i); row(i); } }
}
J
javac Etl.java && java Etl
