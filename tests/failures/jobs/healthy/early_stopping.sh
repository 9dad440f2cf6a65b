# about: a sweep whose trials fail now and then, as its counts say, and ends well
# category: none
# shows: Trial 4 failed
# tool: python3 --version
### job
python3 -u -c '
for t in range(9):
    if t == 4: print(f"[W] Trial {t} failed with parameters: {{\"lr\": 9.0}} because of the following error: ValueError(\"Loss is nan\").\nTraceback (most recent call last):\n  File \"/home/alice/project/sweep.py\", line 9, in objective\n    raise ValueError(\"Loss is nan\")\nValueError: Loss is nan\n[W] Trial {t} failed with value None.")
    else: print(f"[I] Trial {t} finished with value: {0.5 + t / 50:.3f}")
print("Best trial: 8, value 0.66\nStudy statistics: 9 finished, 8 complete, 1 fail, 0 pruned")'
