# about: a program that says nothing
# category: unknown
# retryable: no after_change yes
# shows: sampling
# tool: bash --version
### job
echo "model: mini"; echo "sampling 4 chains"; echo "chain 1: 1000 draws"
exit 1
