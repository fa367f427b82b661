# waferc's sources, relative to the project's root. Maintained with the folder.
AOT_SRCS :=
