# about: classes of a newer Java
# category: environment
# or: configuration
# or: missing library
# retryable: after_change
# evidence: UnsupportedClassVersionError
# needs: javac
# tool: javac -version
### job
echo 'public class App { public static void main(String[] a) { System.out.println("hi"); } }' > App.java
javac App.java
printf '\x00\x41' | dd of=App.class bs=1 seek=6 conv=notrunc status=none
echo "Starting Spark driver"; java App
