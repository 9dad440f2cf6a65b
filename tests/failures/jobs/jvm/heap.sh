# about: Java heap space
# category: out_of_memory host
# retryable: after_change
# evidence: java.lang.OutOfMemoryError: Java heap space
# needs: javac
# tool: javac -version
### job
cat > Index.java <<'J'
import java.util.*;
public class Index { public static void main(String[] a) { List<int[]> l = new ArrayList<>(); for (int i = 0; ; i++) { l.add(new int[500_000]); System.out.println("[main] INFO  Index - segment " + i + " in memory"); } } }
J
javac Index.java && java -Xmx48m Index
