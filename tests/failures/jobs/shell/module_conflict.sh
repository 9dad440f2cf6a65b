# about: environment modules: two that exclude each other
# category: environment
# retryable: after_change
# evidence: cannot be loaded due to a conflict
# needs: /usr/share/modules/init/bash
# tool: dpkg-query -W environment-modules
### job
source /usr/share/modules/init/bash
mkdir -p mods/gcc mods/intel; printf '#%%Module\nconflict intel\n' > mods/gcc/12; printf '#%%Module\nconflict gcc\n' > mods/intel/2023
module use $PWD/mods
module load gcc/12; echo "gcc loaded"
module load intel/2023 || exit 1
