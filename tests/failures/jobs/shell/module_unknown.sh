# about: environment modules: an unknown module
# category: environment
# retryable: after_change
# evidence: Unable to locate a modulefile for 'cuda/12.4'
# needs: /usr/share/modules/init/bash
# tool: dpkg-query -W environment-modules
### job
source /usr/share/modules/init/bash
set -e
module purge
module load cuda/12.4
nvcc --version
