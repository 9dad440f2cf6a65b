# about: a class that no jar holds
# category: missing module
# or: missing library
# or: missing
# retryable: after_change
# evidence: ClassNotFoundException|Could not find or load main class
# needs: javac
# tool: javac -version
### job
echo "CLASSPATH=lib/*"; java -cp 'lib/*' org.example.train.Main --epochs 3
