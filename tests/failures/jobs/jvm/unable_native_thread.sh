# about: the JVM may start no more threads
# category: resource_limit
# retryable: after_change
# evidence: unable to create native thread
# needs: javac
# tool: javac -version
### job
cat > T.java <<'J'
public class T { public static void main(String[] a) { for (int i = 0; i < 500; i++) { new Thread(() -> { try { Thread.sleep(600); } catch (Exception e) {} }).start(); if (i % 20 == 0) System.out.println("threads: " + i); } } }
J
javac T.java; ulimit -u 80; java -XX:+UseSerialGC T
