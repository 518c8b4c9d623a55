"""Models made into models of other formats, and Keras models into models of this one."""
