# about: Ruby: a method of nil
# category: code_error
# retryable: after_change no
# evidence: undefined method .* for nil
# needs: ruby
# tool: ruby --version
### job
printf 'def title(d)\n  d[:meta][:title].upcase\nend\nputs title({meta: {title: "a"}})\nputs title({meta: {}})\n' > t.rb; ruby t.rb
