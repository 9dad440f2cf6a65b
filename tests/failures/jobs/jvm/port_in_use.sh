# about: a Java server's port is taken
# category: port_in_use
# retryable: after_change
# evidence: java.net.BindException: Address already in use
# needs: javac
# tool: javac -version
### job
cat > S.java <<'J'
import java.net.*;
public class S { public static void main(String[] a) throws Exception { new ServerSocket(9870, 5, InetAddress.getLoopbackAddress()); System.out.println("namenode up on 9870"); new ServerSocket(9870, 5, InetAddress.getLoopbackAddress()); } }
J
javac S.java && java S
