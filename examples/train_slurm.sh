#!/bin/bash
# clipbench train on two machines of eight cards each, under SLURM:
#
#     sbatch examples/train_slurm.sh vit-b-32 runs/vit-b-32 --set schedule.batch=32768
#
# The job is queued again when its time is up, when a machine fails and when others need its place, and goes on from the
# newest checkpoint; what was done since that one, `save_every` steps at most, is done again. What ends within ten
# minutes is a mistake and would end so again: the job stays ended. The folder of the model is on a disk of all machines.
#SBATCH --job-name=clipbench-train
#SBATCH --output=%x-%j.log
#SBATCH --open-mode=append
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=96
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
set -euo pipefail

cards=8
failures=10 # after which it is not queued again
recipe=$1
output=$2
shift 2

queue_again() {
    echo "queued again: $1"
    scontrol requeue "$SLURM_JOB_ID"
    exit
}

# SLURM sends USR1 two minutes before the time is up, to this script alone.
trap 'queue_again "its time is up"' USR1

mapfile -t machines < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
port=$((20000 + SLURM_JOB_ID % 20000))

# torchrun starts a process for each card; when one ends, so do all.
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=1 \
    torchrun --nnodes="$SLURM_NNODES" --nproc-per-node="$cards" --max-restarts=0 \
    --rdzv-backend=c10d --rdzv-endpoint="${machines[0]}:$port" --rdzv-id="$SLURM_JOB_ID-${SLURM_RESTART_COUNT:-0}" \
    -m clipbench train "$recipe" --output "$output" --resume auto \
    --workers "$((SLURM_CPUS_PER_TASK / cards - 1))" "$@" &

# In the background, because bash heeds a signal only when what it waits for has ended or is waited for like this.
status=0
wait "$!" || status=$?
if ((status != 0 && SECONDS > 600 && ${SLURM_RESTART_COUNT:-0} < failures)); then
    queue_again "the training ended with $status"
fi
exit "$status"
